import { cookies } from 'next/headers'

async function remember(form) {
  'use server'
  const jar = await cookies()
  jar.set('said', form.get('said'))
}

export default function Page() {
  return (
    <form action={remember}>
      <input name="said" />
    </form>
  )
}
