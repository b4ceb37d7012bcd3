/** A form with files. Each file is hashed as it comes and kept nowhere. */
import { createHash } from 'node:crypto'

import multipart from '@fastify/multipart'

import { escape, page } from '../page.mjs'

async function hashed(part) {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of part.file) {
    size += chunk.length
    hash.update(chunk)
  }
  return { name: part.filename, type: part.mimetype, size, sha256: hash.digest('hex') }
}

export async function upload(app) {
  app.register(multipart, { limits: { fileSize: 1024 ** 3, files: 5 } })

  app.get('/', (request, reply) =>
    page(
      request,
      reply,
      'Upload',
      `<form id="upload" action="${escape(request.base)}/upload" method="post" enctype="multipart/form-data">
         <label>Title <input name="title"></label>
         <label>Files <input type="file" name="files" multiple required></label>
         <button>Send</button>
         <progress value="0" hidden></progress>
       </form>
       <div id="result" role="status"></div>
       <script src="${escape(request.base)}/static/upload.js"></script>`,
    ),
  )

  app.post('/', { bodyLimit: 1024 ** 3 }, async (request, reply) => {
    const answer = { title: '', files: [] }
    for await (const part of request.parts()) {
      if (part.type === 'file') answer.files.push(await hashed(part))
      else if (part.fieldname === 'title') answer.title = part.value
    }
    return reply.code(201).send(answer)
  })
}
