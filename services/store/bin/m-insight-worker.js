#!/usr/bin/env node
import { onSupportedNode } from '@cl-server/contract/supported-node';

onSupportedNode(() => import('../dist/bin/m-insight-worker.js'));
