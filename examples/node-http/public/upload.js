/** Sends the form with a bar that shows how far it is. Without this script it is sent as any form. */
const form = document.querySelector('#upload')
const bar = form.querySelector('progress')
const button = form.querySelector('button')
const result = document.querySelector('#result')

function element(name, text, ...children) {
  const made = document.createElement(name)
  made.textContent = text
  made.append(...children)
  return made
}

function row(cell, ...texts) {
  return element('tr', '', ...texts.map((text) => element(cell, text)))
}

function show({ title, files }) {
  const rows = files.map(({ name, size, sha256 }) =>
    row('td', name, `${size.toLocaleString('en')} bytes`, sha256),
  )
  const table = element('table', '', row('th', 'File', 'Size', 'SHA-256'), ...rows)
  result.replaceChildren(element('h2', title || 'Received'), table)
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  // Not fetch(): it does not tell how much of a body has gone out.
  const request = new XMLHttpRequest()
  request.upload.addEventListener('progress', ({ loaded, total }) => {
    bar.max = total
    bar.value = loaded
  })
  request.addEventListener('load', () => {
    if (request.status === 201) show(request.response)
    else result.textContent = request.response?.error ?? `Refused: ${request.status}`
  })
  request.addEventListener('error', () => (result.textContent = 'The connection was lost.'))
  request.addEventListener('loadend', () => (button.disabled = false))
  request.open('POST', form.getAttribute('action'))
  request.setRequestHeader('Accept', 'application/json')
  request.responseType = 'json'
  result.replaceChildren()
  bar.value = 0
  bar.hidden = false
  button.disabled = true
  request.send(new FormData(form))
})
