#!/usr/bin/env node
import '../dist/bin/m-insight-worker.js';
