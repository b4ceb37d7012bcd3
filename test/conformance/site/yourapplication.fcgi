#!/usr/bin/env node
const { serve } = require('@fastcgi/core')

serve(require('./app.js'), { mount: process.env.APP_MOUNT, target: process.env.APP_TARGET })
