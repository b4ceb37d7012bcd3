#!/usr/bin/env node
const { serve } = require('@fastcgi/core')

serve(() => import('./app.mjs'))
