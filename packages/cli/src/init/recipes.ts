/**
 * The configurations that `fastcgi init` writes: files of examples/servers, which the tests run, with the paths of this
 * app in the place of theirs.
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { quote } from '../doctor/interpreter.ts'
import { markPaths, writePaths } from './paths.ts'

/** Web servers that can be set up, and systemd. */
export const recipeNames = [
  'htaccess',
  'apache',
  'nginx',
  'lighttpd',
  'caddy',
  'haproxy',
  'h2o',
  'systemd',
] as const

/** One of {@link recipeNames}. */
export type RecipeName = (typeof recipeNames)[number]

/** What a configuration is about. */
export interface Site {
  /** Short name: letters, digits, dashes. */
  readonly name: string
  /** Folder of the app, absolute. */
  readonly root: string
  /** The `.fcgi`, absolute. */
  readonly script: string
  /** Where the app listens, for servers that do not start it. */
  readonly socket: string
  readonly host: string
  /** `''` for the root, else `/app`. */
  readonly mount: string
}

/** A file to write. */
export interface ConfigFile {
  /** Name below the folder for configurations. */
  readonly name: string
  readonly text: string
}

interface Recipe {
  readonly title: string
  /** Template at the root, and below a mount; null: the server needs none there. */
  readonly templates: (mount: string) => readonly (readonly [template: string, name: string])[]
  /** The server starts the app itself. */
  readonly starts: (mount: string) => boolean
  readonly next: (site: Site, folder: string) => readonly string[]
}

/** The copy that the package carries; in the repository, where the originals are at hand, those. */
const [copy, originals] = ['../../templates/', '../../../../examples/servers/'].map((folder) =>
  fileURLToPath(new URL(folder, import.meta.url)),
)
const inRepository = existsSync(new URL('../../tsconfig.json', import.meta.url))
const templates = inRepository ? originals! : copy!

/** What each server needs. */
export const recipes: Readonly<Record<RecipeName, Recipe>> = {
  htaccess: {
    title: 'Apache on a shared host, where .htaccess is all you may change',
    templates: () => [],
    starts: () => true,
    next: () => [
      'upload the folder with node_modules (or run npm install --omit=dev there), then open the site',
    ],
  },
  apache: {
    title: 'Apache with mod_fcgid, on your own server',
    templates: (mount) => [
      [
        mount === '' ? 'apache-mod_fcgid/root.conf' : 'apache-mod_fcgid/sub-path.conf',
        'apache.conf',
      ],
    ],
    starts: () => true,
    next: ({ name }, folder) => [
      'a2enmod fcgid',
      `cp ${folder}/apache.conf /etc/apache2/sites-available/${name}.conf`,
      `a2ensite ${name}`,
      'apachectl configtest && systemctl reload apache2',
    ],
  },
  nginx: {
    title: 'nginx',
    templates: (mount) => [[mount === '' ? 'nginx/site.conf' : 'nginx/subpath.conf', 'nginx.conf']],
    starts: () => false,
    next: ({ name }, folder) => [
      `cp ${folder}/nginx.conf /etc/nginx/sites-available/${name}`,
      `ln -s ../sites-available/${name} /etc/nginx/sites-enabled/`,
      'nginx -t && systemctl reload nginx',
    ],
  },
  lighttpd: {
    title: 'lighttpd',
    templates: (mount) => [
      [mount === '' ? 'lighttpd/spawn.conf' : 'lighttpd/subpath.conf', 'lighttpd.conf'],
    ],
    starts: (mount) => mount === '',
    next: ({ name, socket, mount }, folder) => [
      // systemd makes the folder of its socket itself.
      ...(mount === ''
        ? [
            `mkdir -p ${quote(path.dirname(socket))} && chown www-data ${quote(path.dirname(socket))}`,
          ]
        : []),
      `cp ${folder}/lighttpd.conf /etc/lighttpd/conf-available/50-${name}.conf`,
      `lighty-enable-mod ${name} && systemctl reload lighttpd`,
    ],
  },
  caddy: {
    title: 'Caddy',
    templates: (mount) => [
      [mount === '' ? 'caddy/Caddyfile' : 'caddy/subpath.Caddyfile', 'Caddyfile'],
    ],
    starts: () => false,
    next: (_site, folder) => [
      `cp ${folder}/Caddyfile /etc/caddy/Caddyfile`,
      'systemctl reload caddy',
    ],
  },
  haproxy: {
    title: 'HAProxy',
    templates: (mount) => [
      [mount === '' ? 'haproxy/haproxy.cfg' : 'haproxy/subpath.cfg', 'haproxy.cfg'],
    ],
    starts: () => false,
    next: (_site, folder) => [
      `haproxy -c -f ${folder}/haproxy.cfg`,
      `cp ${folder}/haproxy.cfg /etc/haproxy/haproxy.cfg && systemctl reload haproxy`,
    ],
  },
  h2o: {
    title: 'h2o',
    templates: (mount) => [[mount === '' ? 'h2o/h2o.conf' : 'h2o/subpath.conf', 'h2o.conf']],
    starts: () => false,
    next: (_site, folder) => [`cp ${folder}/h2o.conf /etc/h2o/h2o.conf && systemctl reload h2o`],
  },
  systemd: {
    title: 'systemd, which starts the app on a socket, for any of the servers that do not',
    templates: () => [
      ['systemd/myapp.socket', 'NAME.socket'],
      ['systemd/myapp.service', 'NAME.service'],
    ],
    starts: () => true,
    next: ({ name }, folder) => [
      `useradd --system --no-create-home ${name}`,
      `cp ${folder}/${name}.socket ${folder}/${name}.service /etc/systemd/system/`,
      `systemctl daemon-reload && systemctl enable --now ${name}.socket`,
    ],
  },
}

/** The configuration of a server for a site. */
export function configFiles(server: RecipeName, site: Site): ConfigFile[] {
  const script = path.basename(site.script)
  return recipes[server].templates(site.mount).map(([template, name]) => ({
    name: name.replace('NAME', site.name),
    text: writePaths(fill(readTemplate(template), markPaths(site), script), server, {
      root: site.root,
      script: site.script,
      socket: site.socket,
      folder: path.dirname(site.script),
    }),
  }))
}

/** A file of examples/servers, as it is in the package. */
export function readTemplate(name: string): string {
  return readFileSync(path.join(templates, name), 'utf8')
}

/** The examples' own names and paths, longest first, and what stands for them. */
function fill(template: string, site: ReturnType<typeof markPaths>, script: string): string {
  let text = template
  // "/app" as a path of the site, not as a part of a file's path.
  if (site.mount !== '') {
    text = text
      .replaceAll(/(?<![\w}])\/app(?![\w.])/g, site.mount)
      .replaceAll('example.com/app/', `example.com${site.mount}/`)
  }
  const replaced: readonly (readonly [string, string])[] = [
    ['${APP}/public', `${site.root}/public`],
    ['${APP}/app.fcgi', site.script],
    ['<Files app.fcgi>', `<Files ${script}>`],
    ['Define APP /srv/express', `Define APP ${site.folder}`],
    ['/run/myapp/app.sock', site.socket],
    ['/srv/myapp/app.fcgi', site.script],
    ['/srv/myapp/www', '/var/www/html'],
    ['/srv/myapp', site.root],
    ['myapp.example localhost', site.host],
    ['myapp.example', site.host],
    ['app.example.com', site.host],
    ['www.example.com', site.host],
    // By its name alone, so that Caddy gets a certificate; and with its admin socket, which a reload needs.
    ['http://localhost:80', site.host === 'localhost' ? 'http://localhost:80' : site.host],
    ['{\n\tadmin off\n}\n\n', ''],
    ['sites-available/example', `sites-available/${site.name}`],
    ['a2ensite root', `a2ensite ${site.name}`],
    ['bind 127.0.0.1:80', 'bind :80'],
    ['host: 127.0.0.1', 'host: 0.0.0.0'],
  ]
  for (const [from, to] of replaced) text = text.replaceAll(from, to)
  return text.replaceAll(/\bmyapp\b/g, site.name)
}
