UPDATE t SET c = 'Abc', h = h || 'z=>1' WHERE id = 2;
UPDATE t SET u = 'tmp' WHERE id = 1;
UPDATE t SET u = 'ONE' WHERE id = 2;
UPDATE t SET u = 'Two' WHERE id = 1;
UPDATE t SET c = NULL, h = NULL WHERE id = 4;
