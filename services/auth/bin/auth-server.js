#!/usr/bin/env node
import '../dist/bin/auth-server.js';
