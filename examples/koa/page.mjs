/** The frame of every page, and the escaping of what goes into it. */

const replacements = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

export function escape(text) {
  return text.replace(/[&<>"']/g, (character) => replacements[character])
}

/** Links start with `ctx.state.base`, so that they hold wherever the app is mounted. */
export function page(ctx, title, content) {
  const base = escape(ctx.state.base)
  ctx.type = 'html'
  ctx.body = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>${escape(title)}</title>
  <link rel="stylesheet" href="${base}/static/style.css">
  <link rel="icon" href="${base}/static/logo.svg">
</head>
<body>
  <header>
    <a href="${base}/"><img src="${base}/static/logo.svg" alt="" width="40" height="40"></a>
    <nav>
      <a href="${base}/">Home</a>
      <a href="${base}/upload">Upload</a>
      <a href="${base}/events">Events</a>
      <a href="${base}/api/echo?q=1">JSON</a>
      <a href="${base}/cookies">Cookies</a>
      <a href="${base}/whoami">Who am I?</a>
      <a href="${base}/redirect">Redirect</a>
      <a href="${base}/throw">An error</a>
    </nav>
  </header>
  <main>
    <h1>${escape(title)}</h1>
    ${content}
  </main>
</body>
</html>
`
}
