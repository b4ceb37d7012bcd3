/** A form with files, by multer. Each file is hashed as it comes and kept nowhere. */
import { createHash } from 'node:crypto'

import multer from '@koa/multer'
import Router from '@koa/router'

import { escape, page } from '../page.mjs'

export const upload = new Router({ prefix: '/upload' })

/** multer's interface for a place to put files. */
const storage = {
  _handleFile(req, file, done) {
    const hash = createHash('sha256')
    let size = 0
    file.stream.on('data', (chunk) => {
      size += chunk.length
      hash.update(chunk)
    })
    file.stream.on('error', done)
    file.stream.on('end', () => done(null, { size, sha256: hash.digest('hex') }))
  },
  _removeFile(req, file, done) {
    done(null)
  },
}
const files = multer({ storage, limits: { fileSize: 1024 ** 3, files: 5 } })

upload.get('/', (ctx) => {
  page(
    ctx,
    'Upload',
    `<form id="upload" action="${escape(ctx.state.base)}/upload" method="post" enctype="multipart/form-data">
       <label>Title <input name="title"></label>
       <label>Files <input type="file" name="files" multiple required></label>
       <button>Send</button>
       <progress value="0" hidden></progress>
     </form>
     <div id="result" role="status"></div>
     <script src="${escape(ctx.state.base)}/static/upload.js"></script>`,
  )
})

upload.post('/', files.array('files'), (ctx) => {
  const received = ctx.files.map(({ originalname, mimetype, size, sha256 }) => {
    return { name: Buffer.from(originalname, 'latin1').toString(), type: mimetype, size, sha256 }
  })
  ctx.status = 201
  ctx.body = { title: ctx.request.body.title ?? '', files: received }
})
