#!/usr/bin/env node
import '../dist/bin/cl-broker.js';
