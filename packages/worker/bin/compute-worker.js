#!/usr/bin/env node
import '../dist/bin/compute-worker.js';
