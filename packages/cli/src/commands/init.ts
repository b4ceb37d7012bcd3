/** `fastcgi init`: the `.fcgi` for an app, and the configuration of the web server in front. */
import path from 'node:path'
import { createInterface } from 'node:readline/promises'
import { Argument, Command } from 'commander'
import { quote } from '../doctor/interpreter.ts'
import { findEntry, manifestOf } from '../entry.ts'
import { ExitCode, Failure } from '../exit.ts'
import {
  configFiles,
  readTemplate,
  type RecipeName,
  recipeNames,
  recipes,
  type Site,
} from '../init/recipes.ts'
import { importable, type Output, planScript, type ScriptOutputs } from '../init/script.ts'
import { showOutput, standing, writeOutput } from '../init/write.ts'

const examples = `
Examples:
  fastcgi init htaccess                        app.fcgi and .htaccess, here
  fastcgi init htaccess --docroot public_html  in the document root; the app stays outside
  fastcgi init nginx --host example.com        app.fcgi here, deploy/nginx.conf
  fastcgi init nginx --mount /app              below a path
  fastcgi init systemd                         deploy/NAME.socket and NAME.service, for nginx and others
  fastcgi init apache --entry server.js --node /opt/node/bin/node
  fastcgi init lighttpd --dry-run              only shows what it would write

Servers:
${recipeNames.map((name) => `  ${name.padEnd(9)} ${recipes[name].title}`).join('\n')}

A file that is there and says something else is left alone (exit code 73) unless you say --force.`

interface Given {
  entry?: string
  name?: string
  host: string
  mount?: string
  socket?: string
  docroot?: string
  out: string
  node: string
  script: string
  force?: boolean
  yes?: boolean
  dryRun?: boolean
}

/** The command. */
export function initCommand(): Command {
  return new Command('init')
    .description('write the .fcgi and the configuration of the web server')
    .addArgument(new Argument('[SERVER]', 'see below').choices([...recipeNames]))
    .option('--entry <FILE>', 'the app; default: from package.json, or app.js')
    .option('--host <NAME>', 'name of the site', 'localhost')
    .option('--mount <PATH>', 'put the app below a path, such as /app')
    .option('--name <NAME>', 'short name of the app; default: from package.json')
    .option('--socket <FILE>', 'where the app listens; default /run/NAME/app.sock')
    .option('--docroot <FOLDER>', 'htaccess: the document root; default: here')
    .option('--script <NAME>', 'name of the .fcgi', 'app.fcgi')
    .option('--out <FOLDER>', 'for configurations that belong elsewhere', 'deploy')
    .option('--node <PATH>', 'for the first line of the .fcgi: a path, env, or auto', 'auto')
    .option('--force', 'write over files that are there')
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'show, and write nothing')
    .addHelpText('after', examples)
    .action(async (server: RecipeName | undefined, given: Given) => {
      await init(server ?? (await askServer()), given)
    })
}

async function askServer(): Promise<RecipeName> {
  if (!isInteractive()) {
    throw new Failure(ExitCode.Usage, `Which server? fastcgi init ${recipeNames.join('|')}`)
  }
  recipeNames.forEach((name, i) =>
    process.stdout.write(`  ${i + 1}  ${name.padEnd(9)} ${recipes[name].title}\n`),
  )
  const answer = await ask('Which server is in front? ')
  const chosen = recipeNames[Number(answer) - 1] ?? recipeNames.find((name) => name === answer)
  if (chosen === undefined)
    throw new Failure(ExitCode.Usage, `${JSON.stringify(answer)} is none of them`)
  return chosen
}

const isInteractive = (): boolean => process.stdin.isTTY && process.stdout.isTTY

async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return (await lines.question(question)).trim()
  } finally {
    lines.close()
  }
}

/** Plans, shows and writes. @throws Failure when a file is in the way */
export async function init(server: RecipeName, given: Given): Promise<void> {
  const plan = planAll(server, given)
  const cwd = process.cwd()
  for (const output of plan.outputs) process.stdout.write(`${showOutput(output, cwd)}\n`)
  for (const note of plan.notes) process.stdout.write(`Note: ${note}.\n`)
  if (given.dryRun === true) return
  const blocked = plan.outputs.filter((output) => standing(output) === 'differs')
  if (blocked.length > 0 && given.force !== true) {
    const names = blocked.map((output) => path.relative(cwd, output.path)).join(', ')
    throw new Failure(
      ExitCode.CannotCreate,
      `Nothing was written: ${names} ${blocked.length === 1 ? 'is there and differs' : 'are there and differ'} from the above. --force writes over them.`,
    )
  }
  if (given.yes !== true && isInteractive() && /^n/i.test(await ask('Write these files? [Y/n] ')))
    return
  for (const output of plan.outputs) if (standing(output) !== 'same') writeOutput(output)
  process.stdout.write(`${nextSteps(server, plan, given)}\n`)
}

interface Plan extends ScriptOutputs {
  readonly site: Site
}

function planAll(server: RecipeName, given: Given): Plan {
  const entry = findEntry(given.entry)
  const mount = readMount(given.mount)
  const found = manifestOf(path.dirname(entry))
  const root = found?.folder ?? path.dirname(entry)
  const name = appName(given.name ?? found?.manifest.name ?? path.basename(root))
  if (!/^[\w.-]+\.fcgi$/.test(given.script)) {
    throw new Failure(
      ExitCode.Usage,
      `--script is a name that ends in .fcgi, not ${JSON.stringify(given.script)}`,
    )
  }
  const docroot = server === 'htaccess' ? path.resolve(given.docroot ?? '.') : root
  // Packages are found from the app's folder, not from a document root beside it.
  const outside = path.relative(root, docroot).startsWith('..')
  const inner = planScript({
    entry,
    folder: outside ? root : docroot,
    fixed: server === 'htaccess' && !outside,
    name: given.script,
    node: given.node,
  })
  const script = outside ? withDoor(inner, path.join(docroot, given.script)) : inner
  const site: Site = {
    name,
    root,
    script: script.script,
    socket: given.socket === undefined ? `/run/${name}/app.sock` : path.resolve(given.socket),
    host: given.host,
    mount,
  }
  const configs: Output[] =
    server === 'htaccess'
      ? [{ path: path.join(docroot, '.htaccess'), text: htaccess(given.script, outside) }]
      : configFiles(server, site).map((file) => ({
          path: path.resolve(given.out, file.name),
          text: file.text,
        }))
  return { ...script, site, outputs: [...script.outputs, ...configs] }
}

/** A script of two lines where the web server looks for it, which runs the one in the app's folder. */
function withDoor(inner: ScriptOutputs, door: string): ScriptOutputs {
  const [shebang] = inner.outputs.find((output) => output.path === inner.script)!.text.split('\n')
  const text = `${shebang}\nrequire(${importable(path.dirname(door), inner.script)})\n`
  return {
    ...inner,
    script: door,
    outputs: [...inner.outputs, { path: door, text, executable: true }],
  }
}

function htaccess(script: string, outside: boolean): string {
  const template = readTemplate('apache-mod_fcgid/htaccess/.htaccess')
  const text = outside
    ? template
    : template.replace(
        'The app lies outside the document root.',
        'Nothing else is handed out, though the app lies here.',
      )
  return script === 'app.fcgi'
    ? text
    : text.replaceAll('app.fcgi', script).replaceAll('app\\.fcgi', script.replaceAll('.', '\\.'))
}

function readMount(text: string | undefined): string {
  if (text === undefined || text === '/') return ''
  if (!/^\/[\w./~-]*[\w~-]$/.test(text)) {
    throw new Failure(ExitCode.Usage, `--mount is a path such as /app, not ${JSON.stringify(text)}`)
  }
  return text
}

function appName(text: string): string {
  const name = text
    .replace(/^@.*\//, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
  return name === '' ? 'app' : name
}

function nextSteps(server: RecipeName, plan: Plan, given: Given): string {
  const { site, missing } = plan
  const folder = quote(path.relative(process.cwd(), path.resolve(given.out)) || '.')
  const script = quote(path.relative(process.cwd(), site.script))
  const socket = quote(site.socket)
  const steps = [
    ...(missing === undefined ? [] : [`npm install ${missing}`]),
    `npx fastcgi doctor ${script}`,
    ...recipes[server].next(site, folder),
  ]
  if (!recipes[server].starts(site.mount)) {
    const program = script.includes('/') ? script : `./${script}`
    steps.push(
      `npx fastcgi init systemd${sameSite(given)}, so that the app listens on ${site.socket}; to try it at once: mkdir -p ${quote(path.dirname(site.socket))} && ${program} --listen ${socket} --group www-data`,
    )
  }
  steps.push(`npx fastcgi doctor http://${site.host}${site.mount}/ ${script}`)
  return ['Next:', ...steps.map((step, i) => `  ${i + 1}. ${step}`)].join('\n')
}

/** What was said of the site, for another `init` of the same. */
function sameSite(given: Given): string {
  const said = {
    ...{ entry: given.entry, name: given.name, mount: given.mount, socket: given.socket },
    host: given.host === 'localhost' ? undefined : given.host,
    script: given.script === 'app.fcgi' ? undefined : given.script,
    out: given.out === 'deploy' ? undefined : given.out,
  }
  return Object.entries(said)
    .map(([name, value]) => (value === undefined ? '' : ` --${name} ${quote(value)}`))
    .join('')
}
