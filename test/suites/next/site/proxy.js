import { NextResponse } from 'next/server'

export function proxy(request) {
  const { pathname } = request.nextUrl
  if (pathname === '/api/refused') return NextResponse.json({ refused: true }, { status: 403 })
  const response = NextResponse.next()
  response.headers.set('X-Proxy', pathname)
  return response
}
