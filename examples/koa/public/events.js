const log = document.querySelector('#log')
const source = new EventSource(document.currentScript.dataset.from)
source.onmessage = (event) => {
  const line = document.createElement('li')
  line.textContent = event.data
  log.append(line)
}
