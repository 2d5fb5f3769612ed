#!/usr/bin/env node
import '../dist/bin/cl-client.js';
