// How a process knows that it is to run the app for all relays: by a variable that its starter has set.

/** The path at which the host is to listen: `folder/name.generation`. */
export const hostVariable = 'FASTCGI_SHARED_HOST'

/** The place of this process when it is the host; once a process, since the variable goes. */
export function takeHostPlace(
  env: Record<string, string | undefined> = process.env,
): string | undefined {
  const place = env[hostVariable]
  delete env[hostVariable]
  return place === '' ? undefined : place
}
