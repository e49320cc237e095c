MODIFY nosuch INT
