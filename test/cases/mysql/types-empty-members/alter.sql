MODIFY v BIGINT, MODIFY e ENUM('x', '', 'z')
