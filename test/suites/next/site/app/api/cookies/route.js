import { NextResponse } from 'next/server'

export function GET(request) {
  const response = NextResponse.json({ count: request.cookies.size })
  response.cookies.set('a', '1', { httpOnly: true })
  response.cookies.set('b', '2', { path: '/told' })
  return response
}
