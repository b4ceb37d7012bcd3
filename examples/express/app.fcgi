#!/usr/bin/env node
const { serve } = require('@fastcgi/express')

serve(() => import('./app.mjs'))
