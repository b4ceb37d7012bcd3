/** A real nginx in front of every implementation: one port each, FastCGI or HTTP to its unix socket. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { track } from './children.ts'
import type { Implementation } from './implementations.ts'

/** The installed nginx's version, or undefined. */
export function nginxVersion(): string | undefined {
  const { stderr } = spawnSync('nginx', ['-v'], { encoding: 'latin1' })
  return /nginx\/(\S+)/.exec(stderr ?? '')?.[1]
}

/** One location: where it listens and what stands behind. */
export interface Site {
  readonly implementation: Implementation
  readonly port: number
  readonly socket: string
}

/** The same buffers and the same kept connections for both kinds of upstream. */
function serverBlock({ implementation, port, socket }: Site): string {
  const upstream = `bench_${port}`
  const kept = implementation.keepConnection
  const pass =
    implementation.protocol === 'http'
      ? `proxy_pass http://${upstream};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_request_buffering off;
      proxy_buffering off;`
      : `fastcgi_pass ${upstream};
      ${kept ? 'fastcgi_keep_conn on;' : ''}
      include fastcgi_params;
      ${implementation.extraParams.map(([name, value]) => `fastcgi_param ${name} ${value};`).join(' ')}
      fastcgi_request_buffering off;
      fastcgi_buffering off;`
  return `
  upstream ${upstream} { server unix:${socket}; ${kept ? 'keepalive 128;' : ''} }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      ${pass}
    }
  }`
}

const FASTCGI_PARAMS = `
fastcgi_param QUERY_STRING $query_string;
fastcgi_param REQUEST_METHOD $request_method;
fastcgi_param CONTENT_TYPE $content_type;
fastcgi_param CONTENT_LENGTH $content_length;
fastcgi_param SCRIPT_NAME $fastcgi_script_name;
fastcgi_param REQUEST_URI $request_uri;
fastcgi_param DOCUMENT_URI $document_uri;
fastcgi_param DOCUMENT_ROOT $document_root;
fastcgi_param SERVER_PROTOCOL $server_protocol;
fastcgi_param REQUEST_SCHEME $scheme;
fastcgi_param HTTPS $https if_not_empty;
fastcgi_param GATEWAY_INTERFACE CGI/1.1;
fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
fastcgi_param REMOTE_ADDR $remote_addr;
fastcgi_param REMOTE_PORT $remote_port;
fastcgi_param REMOTE_USER $remote_user;
fastcgi_param SERVER_ADDR $server_addr;
fastcgi_param SERVER_PORT $server_port;
fastcgi_param SERVER_NAME $server_name;
fastcgi_param REDIRECT_STATUS 200;
`

function configuration(folder: string, sites: readonly Site[]): string {
  const user = process.getuid?.() === 0 ? 'user root root;' : ''
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `  ${kind}_temp_path ${folder}/temp_${kind};`)
    .join('\n')
  return `${user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx-error.log warn;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 100000000;
  keepalive_timeout 75s;
  client_max_body_size 0;
${temporary}
${sites.map(serverBlock).join('\n')}
}
`
}

async function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** One nginx with one worker, in its own folder, gone when disposed of. */
export class Nginx implements AsyncDisposable {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** @throws Error when nginx does not accept its configuration or a port is taken. */
  static async start(folder: string, sites: readonly Site[]): Promise<Nginx> {
    mkdirSync(join(folder, 'logs'), { recursive: true })
    writeFileSync(join(folder, 'fastcgi_params'), FASTCGI_PARAMS)
    const file = join(folder, 'nginx.conf')
    writeFileSync(file, configuration(folder, sites))
    execFileSync('nginx', ['-t', '-q', '-p', folder, '-c', file], { stdio: 'pipe' })
    const child = track(
      spawn('nginx', ['-p', folder, '-c', file], {
        stdio: ['ignore', 'ignore', 'inherit'],
      }),
    )
    const port = sites[0]?.port ?? 0
    for (let waited = 0; !(await isOpen(port)); waited += 20) {
      if (child.exitCode !== null || waited > 10_000) throw new Error('nginx did not start')
      await delay(20)
    }
    return new Nginx(child)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGTERM')
    await gone
  }
}
