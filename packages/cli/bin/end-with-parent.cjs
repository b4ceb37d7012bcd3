// Loaded into the app's process by `fastcgi dev`, before anything of the app: when the command is gone, however it ended,
// nobody would end the app. Descriptor 3 is a pipe whose other end the command holds and never writes to. CommonJS,
// because with --import Node.js 20 would take the app's .fcgi for an ES module.
const { rmSync } = process.getBuiltinModule('node:fs')
const { Socket } = process.getBuiltinModule('node:net')

/** Milliseconds for what runs. */
const patience = 3_000

const folder = process.env.FASTCGI_DEV_FOLDER
delete process.env.FASTCGI_DEV_FOLDER

// Processes that the app starts with the same arguments have something else on descriptor 3, and not the variable.
if (folder !== undefined) {
  const end = () => {
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), patience).unref()
    process.kill(process.pid, 'SIGTERM')
  }
  const pipe = new Socket({ fd: 3, readable: true, writable: false })
  pipe.on('error', end).on('end', end).resume()
  // It keeps no process alive that has nothing else to do.
  pipe.unref()
}
