export const dynamic = 'force-dynamic'

export function GET() {
  let left = 3
  const body = new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      controller.enqueue(new TextEncoder().encode(`data: ${left}\n\n`))
      left -= 1
      if (left === 0) controller.close()
    },
  })
  return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
}
