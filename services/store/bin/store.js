#!/usr/bin/env node
import '../dist/bin/store.js';
