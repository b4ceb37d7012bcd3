#!/usr/bin/env node
// For a web server that decides by the path who may see what. It judges the path with `..`, `//` and
// %XX resolved: with `target: 'normalized'` the app routes by exactly that path, not by the one sent.
const { serve } = require('@fastcgi/express')

serve(() => import('./app.mjs'), { target: 'normalized' })
