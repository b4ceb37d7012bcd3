// How a process knows that it is to run the app for all relays, or to be a worker of one that does: by a variable that its
// starter has set.

/** The path at which the host is to listen: `folder/name.generation`. */
export const hostVariable = 'FASTCGI_SHARED_HOST'

/** To a worker of a host: the folder of the private sockets. */
export const workerFolderVariable = 'FASTCGI_SHARED_WORKER'

/** The place of this process when it is the host; once a process, since the variable goes. */
export function takeHostPlace(
  env: Record<string, string | undefined> = process.env,
): string | undefined {
  const place = env[hostVariable]
  delete env[hostVariable]
  return place === '' ? undefined : place
}

/** The folder of the private sockets when this process is a worker of a host; once a process, since the variable goes. */
export function takeWorkerFolder(
  env: Record<string, string | undefined> = process.env,
): string | undefined {
  const folder = env[workerFolderVariable]
  delete env[workerFolderVariable]
  return folder === '' ? undefined : folder
}
