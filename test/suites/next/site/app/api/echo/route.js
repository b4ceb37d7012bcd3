export function GET(request) {
  const { method, nextUrl } = request
  return Response.json({ method, path: nextUrl.pathname, search: nextUrl.search })
}

export async function POST(request) {
  if (request.headers.get('content-type')?.startsWith('multipart/')) {
    const form = await request.formData()
    const file = form.get('file')
    return Response.json({ title: form.get('title'), name: file.name, size: file.size })
  }
  return Response.json({ got: await request.json() }, { status: 201 })
}

export async function PUT(request) {
  return new Response(String((await request.arrayBuffer()).byteLength))
}

export async function DELETE() {
  return new Response(null, { status: 204 })
}
