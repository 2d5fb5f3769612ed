#!/usr/bin/env node
import '../dist/bin/compute-server.js';
