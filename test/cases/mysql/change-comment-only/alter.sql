MODIFY a INT COMMENT 'it''s; a "comment" with ☃', COMMENT = 'table; ''s comment'
