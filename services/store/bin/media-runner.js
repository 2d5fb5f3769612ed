#!/usr/bin/env node
import '../dist/media/child.js';
