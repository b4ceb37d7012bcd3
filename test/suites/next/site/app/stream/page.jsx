import { connection } from 'next/server'
import { Suspense } from 'react'

async function Later() {
  await connection()
  await new Promise((resolve) => setTimeout(resolve, 50))
  return <p>came later</p>
}

export default function Page() {
  return (
    <Suspense fallback={<p>waiting</p>}>
      <Later />
    </Suspense>
  )
}
