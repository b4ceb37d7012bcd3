#!/usr/bin/env node
// For a cgi-bin or a document root: the app itself lies elsewhere, out of reach of the web.
require('../express/app.fcgi')
