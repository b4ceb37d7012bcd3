// Which file of those that a web server names is the script this process was started from.

/** Which file is the entry script. */
export interface EntryScript {
  /** Real path of the entry script; empty when not known. */
  readonly script?: string
  /** Other paths the script is known by, such as the link it was started through. */
  readonly scriptAliases?: readonly string[]
  /** Real path of a path, the same path when there is none. Asked only for paths whose last segment is the script's. */
  readonly resolve?: (path: string) => string
}

/** Whether a file is the entry script, asking the file system only when the name at least is right. */
export function isOwnScript(file: string, entry: EntryScript): boolean {
  const { script = '', scriptAliases = [], resolve } = entry
  if (file === '' || script === '') return false
  if (file === script || scriptAliases.includes(file)) return true
  const name = lastSegment(file)
  if (name !== lastSegment(script) && !scriptAliases.some((alias) => lastSegment(alias) === name)) {
    return false
  }
  return resolve !== undefined && resolve(file) === script
}

/** SCRIPT_FILENAME as a path: mod_proxy_fcgi writes `proxy:fcgi://localhost//srv/app.fcgi` for /srv/app.fcgi. */
export function filePath(scriptFilename: string): string {
  if (!scriptFilename.startsWith('proxy:') && !scriptFilename.startsWith('//'))
    return scriptFilename
  return scriptFilename.replace(/^(?:proxy:[a-z]+:\/\/[^/]*)?\/*/, '/')
}

/** What follows the last slash. */
export function lastSegment(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
