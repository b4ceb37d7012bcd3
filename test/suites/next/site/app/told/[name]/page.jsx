import { cookies, headers } from 'next/headers'

export default async function Page({ params, searchParams }) {
  const told = {
    name: (await params).name,
    search: await searchParams,
    cookie: (await cookies()).get('a')?.value,
    forwarded: (await headers()).get('x-forwarded-for'),
    protocol: (await headers()).get('x-forwarded-proto'),
    host: (await headers()).get('x-forwarded-host'),
  }
  return <pre>{JSON.stringify(told)}</pre>
}
