// A reporter for node:test that writes one line of JSON for each test: its full name, and whether it passed.
export default async function* report(source) {
  const names = []
  for await (const { type, data } of source) {
    if (type === 'test:start') names[data.nesting] = data.name
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const name = [...names.slice(0, data.nesting), data.name].join(' > ')
    const { details, skip, todo } = data
    const passed = type === 'test:pass'
    if (skip !== undefined || todo !== undefined || details?.type === 'suite') continue
    const error = passed ? undefined : String(details?.error?.cause?.stack ?? details?.error)
    yield `${JSON.stringify({ name, passed, error })}\n`
  }
}
