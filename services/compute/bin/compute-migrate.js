#!/usr/bin/env node
import '../dist/bin/compute-migrate.js';
