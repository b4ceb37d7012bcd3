/** What to write into the configuration of the server at hand. */

/** A server, as its SERVER_SOFTWARE or its Server header tells. */
export type ServerName = 'apache' | 'nginx' | 'lighttpd' | 'haproxy' | 'caddy' | 'h2o' | 'other'

/** Names a server by its own words. */
export function serverName(software: string | undefined): ServerName {
  const match = /apache|nginx|lighttpd|haproxy|caddy|h2o/i.exec(software ?? '')
  return (match?.[0].toLowerCase() ?? 'other') as ServerName
}

type Advice = Partial<Record<ServerName, string>> & { readonly other: string }

/** Topics on which there is advice. */
export type Topic =
  | 'authorization'
  | 'mount'
  | 'request-uri'
  | 'https'
  | 'upload-limit'
  | 'upload-cut'
  | 'request-header'
  | 'response-header'
  | 'buffering'
  | 'forbidden'
  | 'down'
  | 'incomplete'
  | 'elsewhere'

const advice: Readonly<Record<Topic, Advice>> = {
  authorization: {
    apache:
      'CGIPassAuth On, in the <Directory> or <Location> of the app; in .htaccess, before the rule that names app.fcgi:\nRewriteCond %{HTTP:Authorization} .\nRewriteRule ^ - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]',
    haproxy: 'pass-header Authorization, in the section fcgi-app',
    other: 'something between here and the app removes the header',
  },
  mount: {
    nginx:
      'fastcgi_split_path_info (?s)^(MOUNT)(|/.*)\\z;\nfastcgi_param SCRIPT_NAME $fastcgi_script_name;\nfastcgi_param PATH_INFO $fastcgi_path_info;\n(after include fastcgi_params; the whole file: fastcgi init nginx --mount MOUNT)',
    apache:
      'ScriptAlias MOUNT /path/to/app.fcgi, or Alias and SetHandler, in the place of ProxyPass: fastcgi init apache --mount MOUNT\nor tell the app, in <Location MOUNT>: SetEnv FASTCGI_MOUNT MOUNT',
    haproxy: 'path-info ^(MOUNT)(/.*)?$, in the section fcgi-app',
    caddy: 'env SCRIPT_NAME MOUNT, in transport fastcgi',
    lighttpd:
      'setenv.add-environment = ( "FASTCGI_MOUNT" => "MOUNT" ), beside fastcgi.server, with mod_setenv',
    h2o: 'setenv:\n  FASTCGI_MOUNT: MOUNT\n(in the path of the app)',
    other:
      'let the server send FASTCGI_MOUNT=MOUNT, or tell the app: serve(app, { mount: "MOUNT" })',
  },
  'request-uri': {
    nginx:
      'fastcgi_param REQUEST_URI $request_uri; (it is in the fastcgi_params that come with nginx)',
    haproxy: 'no set-path before the app, and no set-param REQUEST_URI',
    other: 'the server must send REQUEST_URI, as the client wrote it',
  },
  https: {
    nginx:
      'fastcgi_param HTTPS $https if_not_empty; (it is in the fastcgi_params that come with nginx)',
    apache:
      'does TLS end at a proxy in front of Apache? Then, in its configuration or .htaccess: SetEnvIf X-Forwarded-Proto "^https$" HTTPS=on',
    other:
      'does TLS end at a proxy in front? Then the server must set HTTPS=on, or the app believe the proxy: trustedProxies',
  },
  'upload-limit': {
    nginx: 'client_max_body_size 200m; in the server or location',
    apache:
      'FcgidMaxRequestLen 104857600 (128 kB by default; only in the server configuration, on a shared host ask for it)\nand LimitRequestBody, where it is set',
    lighttpd: 'server.max-request-size = 0 (in kilobytes; 0: no limit)',
    caddy: 'request_body { max_size 200MB }',
    h2o: 'limit-request-body: 209715200',
    haproxy: 'an upload without a length must fit into tune.bufsize',
    other: 'raise the limit of the server, or of a proxy in front of it',
  },
  'upload-cut': {
    apache:
      'LimitRequestBody 0, in the server configuration or in .htaccess: it is set to less, and mod_fcgid hands on an empty upload in the place of an error',
    other: 'raise the limit of the server, or of a proxy in front of it',
  },
  'request-header': {
    nginx: 'large_client_header_buffers 4 32k;',
    apache: 'LimitRequestFieldSize 16380',
    haproxy: 'tune.bufsize 32768',
    other: 'raise the limit of the server for request headers',
  },
  'response-header': {
    nginx: 'fastcgi_buffer_size 16k; and fastcgi_buffers 8 16k;',
    apache: 'each header line must stay under 8 kB',
    haproxy: 'tune.bufsize 32768',
    other: 'raise the limit of the server for response headers',
  },
  buffering: {
    nginx: 'fastcgi_buffering off; or, from the app, for such answers only: X-Accel-Buffering: no',
    apache:
      'mod_fcgid: FcgidOutputBufferSize 0 (only in the server configuration); mod_proxy_fcgi: flushpackets=on',
    lighttpd: 'server.stream-response-body = 2',
    caddy: 'flush_interval -1, in reverse_proxy',
    other:
      'the server, or a proxy in front of it, collects the answer: look for buffering in its configuration',
  },
  forbidden: {
    apache:
      'Require all granted for the folder and the file, Options +ExecCGI, and mod_fcgid enabled; its error log has the line',
    other: 'may the server read the folder and run the file? Its error log has the line',
  },
  down: {
    nginx:
      'connect() failed in its error log: the app does not run, or the socket is closed to it: fastcgi doctor /run/app.sock\nupstream sent too big header: fastcgi_buffer_size 16k;\nupstream prematurely closed, or no valid HTTP/1.0 header: is it fastcgi_pass, not proxy_pass?',
    apache:
      '"End of script output before headers" or "Connection reset" in its error log: the process could not start: fastcgi doctor app.fcgi\n"not allowed here", "Invalid command" or the name of a directive beside .htaccess: the host does not allow that line\n"exceeds MaxRequestLen": FcgidMaxRequestLen',
    other: 'its error log says why: fastcgi doctor app.fcgi, and fastcgi doctor /run/app.sock',
  },
  incomplete: {
    nginx:
      'include fastcgi_params; in the location of the app (its log says which variable is missing: FCGI_BAD_METHOD, FCGI_BAD_TARGET)',
    other: 'the log of the app says which variable is missing: FCGI_BAD_METHOD, FCGI_BAD_TARGET',
  },
  elsewhere: {
    apache:
      'is .htaccess beside the script (its name begins with a dot: FTP programs hide and skip it), and does the host have AllowOverride FileInfo Options for the folder? The whole file: fastcgi init htaccess',
    nginx: 'does a location of the site lead to the app for this path? nginx -T shows them all',
    other: 'does the configuration lead to the app for this path?',
  },
}

/** What to write for a server; `MOUNT` in it is replaced. */
export function adviceOn(topic: Topic, server: ServerName, mount = ''): string {
  const texts = advice[topic]
  return (texts[server] ?? texts.other).replaceAll('MOUNT', mount)
}
