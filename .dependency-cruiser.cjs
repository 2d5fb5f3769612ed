// The layers of the project: each room may import only the rooms of its row here.
const rooms = {
  'packages/contract': [],
  'packages/kit': [],
  'packages/blobs': ['packages/kit'],
  'packages/service-kit': ['packages/contract', 'packages/kit'],
  'packages/media': ['packages/contract', 'packages/kit'],
  'packages/jobs': ['packages/blobs', 'packages/contract', 'packages/kit', 'packages/service-kit'],
  'packages/task-kit': ['packages/contract', 'packages/kit'],
  'packages/models': ['packages/contract', 'packages/kit'],
  'packages/tasks': ['packages/contract', 'packages/task-kit', 'packages/media', 'packages/models'],
  'packages/job-routes': [
    'packages/contract',
    'packages/kit',
    'packages/service-kit',
    'packages/jobs',
    'packages/task-kit',
  ],
  'packages/worker': [
    'packages/contract',
    'packages/kit',
    'packages/service-kit',
    'packages/jobs',
    'packages/task-kit',
    'packages/models',
  ],
  'packages/insight': [
    'packages/blobs',
    'packages/contract',
    'packages/kit',
    'packages/service-kit',
    'packages/media',
    'packages/models',
    'packages/jobs',
    'packages/task-kit',
    'packages/job-routes',
  ],
  'packages/client': ['packages/contract', 'packages/kit'],
  'services/auth': ['packages'],
  'services/store': ['packages'],
  'services/compute': ['packages'],
  'apps/cli': ['packages/client', 'packages/contract', 'packages/kit'],
  'apps/server': ['packages/contract', 'packages/kit', 'packages/service-kit', 'packages/task-kit', 'packages/models'],
};
const inside = (folders) => `^(${folders.join('|')})/`;

module.exports = {
  forbidden: [
    ...Object.entries(rooms).map(([room, allowed]) => ({
      name: `floor-${room}`,
      severity: 'error',
      comment: `${room} may import only: ${allowed.join(', ') || 'nothing of ours'}`,
      from: { path: `^${room}/(src|bin)/` },
      to: { path: '^(packages|services|apps|testing|bench)/', pathNot: inside([room, ...allowed]) },
    })),
    {
      name: 'no-deep-imports',
      severity: 'error',
      comment: 'Only a package’s public face, and its own files, may be imported',
      from: { path: '^((?:packages|services|apps)/[^/]+)/' },
      to: {
        path: '^(packages|services|apps)/[^/]+/(src|dist)/.+',
        pathNot: [
          '^$1/',
          '^packages/service-kit/(src|dist)/(program|broadcaster/index|tokens/index)\\.(ts|js|d\\.ts)$',
          '^packages/contract/(src|dist)/events\\.(ts|js|d\\.ts)$',
          '^packages/insight/(src|dist)/worker/index\\.(ts|js|d\\.ts)$',
          '/(src|dist)/(index|testing|constants|printable|setting-names|version|files/media-type|tasks/hamming|topics)\\.(ts|js|d\\.ts)$',
        ],
      },
    },
    {
      name: 'no-circular',
      severity: 'error',
      comment: 'Modules that refer to each other, by their types alone too',
      from: {},
      to: { circular: true },
    },
    {
      name: 'not-to-unlisted',
      severity: 'error',
      from: { path: '^(packages|services|apps)/[^/]+/src/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.test.json' },
    enhancedResolveOptions: {
      conditionNames: ['cl-source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
