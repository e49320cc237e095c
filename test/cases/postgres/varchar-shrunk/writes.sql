UPDATE t SET a = repeat('é', 10) WHERE id = 4;
UPDATE t SET a = 'spaces    ' || repeat(' ', 9) WHERE id = 5;
