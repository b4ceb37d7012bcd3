/** A form with files. Each file is hashed as it comes and kept nowhere. */
import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'

import busboy from 'busboy'

export function uploadPage({ base, html }) {
  html(
    200,
    'Upload',
    `<form id="upload" action="${base}/upload" method="post" enctype="multipart/form-data">
       <label>Title <input name="title"></label>
       <label>Files <input type="file" name="files" multiple required></label>
       <button>Send</button>
       <progress value="0" hidden></progress>
     </form>
     <div id="result" role="status"></div>
     <script src="${base}/static/upload.js"></script>`,
  )
}

export async function receive({ req, json }) {
  const answer = { title: '', files: [] }
  const form = busboy({ headers: req.headers, defParamCharset: 'utf8', limits: { files: 5 } })
  form.on('field', (name, value) => {
    if (name === 'title') answer.title = value
  })
  form.on('file', (field, stream, { filename, mimeType }) => {
    const hash = createHash('sha256')
    const file = { name: filename, type: mimeType, size: 0, sha256: '' }
    answer.files.push(file)
    stream.on('data', (chunk) => {
      file.size += chunk.length
      hash.update(chunk)
    })
    stream.on('end', () => (file.sha256 = hash.digest('hex')))
  })
  await pipeline(req, form)
  json(201, answer)
}
