UPDATE t SET a = 'no JSON' WHERE id = 2;
