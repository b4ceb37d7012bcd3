export default function handler(req, res) {
  const { method, query, body, cookies } = req
  res.setHeader('X-Old', ['1', '2'])
  res.status(method === 'POST' ? 201 : 200).json({ method, query, body, cookies })
}
