export const config = { api: { bodyParser: false } }

export default function handler(req, res) {
  res.setHeader('Content-Type', 'application/octet-stream')
  req.pipe(res)
}
