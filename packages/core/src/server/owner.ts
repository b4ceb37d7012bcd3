// Users and groups by name. Node has no getpwnam(3); `getent` answers for every source the system knows (files, LDAP, …).

const database = { user: 'passwd', group: 'group' } as const

/**
 * The number of a user or group.
 *
 * @param given a number, its digits, or a name
 * @throws Error when the name is unknown or there is no `getent` to ask
 */
export async function lookUpId(kind: 'user' | 'group', given: number | string): Promise<number> {
  if (typeof given === 'number' || /^\d+$/.test(given)) {
    const id = Number(given)
    // The highest number means "leave as it is" to chown(2).
    if (Number.isInteger(id) && id >= 0 && id < 0xffffffff) return id
    throw new Error(`${kind} ${given} is no valid number`)
  }
  // A name that begins with a dash would be an option of getent.
  if (!/^[A-Za-z0-9_.][A-Za-z0-9_.@\\$-]*$/.test(given)) {
    throw new Error(`${kind} ${JSON.stringify(given)} is no valid name`)
  }
  const id = /^[^:]*:[^:]*:(\d+):/.exec(await getent(kind, given))?.[1]
  if (id === undefined) throw new Error(`${kind} ${given} is unknown to this system`)
  return Number(id)
}

async function getent(kind: 'user' | 'group', name: string): Promise<string> {
  // Loaded when asked for: few sockets have an owner by name, and it costs 3 ms of every start.
  const { execFile } = await import('node:child_process')
  return new Promise((resolve, reject) => {
    execFile('getent', [database[kind], name], { encoding: 'utf8' }, (error, stdout) => {
      if (error?.code === 'ENOENT') {
        reject(new Error(`${kind} ${name}: there is no getent to look it up; give its number`))
      } else resolve(error ? '' : stdout)
    })
  })
}
