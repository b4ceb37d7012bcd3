/** Whether Node.js takes a `.fcgi` where it lies, in the form that it has. */
import path from 'node:path'
import { manifestOf, type Manifest } from '../entry.ts'
import { failed, type Finding, ok } from './finding.ts'
import { quote } from './interpreter.ts'

const asCommonJs =
  "write the file so: const { serve } = require('@fastcgi/core') (or express, koa, fastify), and import() for the app: serve(() => import('./app.js'))"

/**
 * Node takes a `.fcgi` for CommonJS, and refuses one where package.json says that modules are the rule. A link to an
 * `.mjs` is a module.
 */
export function checkModuleForm(file: string, real: string, text: string): Finding {
  let found: { readonly folder: string; readonly manifest: Manifest } | undefined
  try {
    found = manifestOf(path.dirname(real))
  } catch (error) {
    const { message } = error as Error
    return failed('module-form', message, 'mend that file: Node.js reads it before the script')
  }
  if (path.extname(real) !== '.fcgi') return ok('module-form', `a link to ${path.basename(real)}`)
  if (found?.manifest.type === 'module') {
    const name = path.basename(file)
    const target = `${name.replace(/\.fcgi$/, '-fcgi')}.mjs`
    return failed(
      'module-form',
      `${path.join(found.folder, 'package.json')} says "type": "module", and Node.js refuses a .fcgi there`,
      `give the file a folder of its own whose package.json says { "type": "commonjs" }, with import('../app.js') in it\nor make ${name} a link: mv ${quote(name)} ${quote(target)} && ln -s ${quote(target)} ${quote(name)}, with import in the place of require`,
    )
  }
  if (
    /^\s*import(?:\s+[\w*{'"]|[*{'"])/m.test(text) ||
    /^\s*export\s*(?:default\b|const\b|function\b|\{)/m.test(text)
  ) {
    return failed(
      'module-form',
      'the file has import or export statements, which Node.js refuses in a .fcgi',
      asCommonJs,
    )
  }
  if (/^(?:(?:const|let|var)\s[^=\n]*=\s*)?await\s/m.test(text)) {
    return failed(
      'module-form',
      'the file has await outside a function, which Node.js refuses in a .fcgi',
      `leave await out before serve(), which needs none; what the app must wait for belongs into the app\n${asCommonJs}`,
    )
  }
  return ok('module-form', 'CommonJS, as a .fcgi must be')
}
