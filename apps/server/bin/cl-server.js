#!/usr/bin/env node
import '../dist/bin/cl-server.js';
