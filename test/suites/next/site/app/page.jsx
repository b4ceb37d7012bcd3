import Link from 'next/link'

export default function Page() {
  return <Link href="/told/Tom">a static page</Link>
}
