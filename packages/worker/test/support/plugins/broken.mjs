throw new Error('this plugin lacks a library');
