-- What proposals change, and a history that the tables write themselves.
CREATE TABLE tickets (
    id bigint PRIMARY KEY, tenant_id varchar(40) NOT NULL,
    status varchar(40) NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
    note varchar(200), version int NOT NULL DEFAULT 1, amount int NOT NULL DEFAULT 0) ENGINE = InnoDB;
-- Updates of this table are in the hands of a moody trigger.
CREATE TABLE orders LIKE tickets;
-- Nothing here keeps an insert from happening twice.
CREATE TABLE credits (
    id bigint AUTO_INCREMENT PRIMARY KEY, tenant_id varchar(40) NOT NULL, amount int NOT NULL, note varchar(200)) ENGINE = InnoDB;
CREATE TABLE history (
    number bigint AUTO_INCREMENT PRIMARY KEY, at datetime(6) NOT NULL,
    table_name varchar(40) NOT NULL, by_writer boolean NOT NULL, before_it longtext, after_it longtext) ENGINE = InnoDB;

CREATE TRIGGER tickets_inserted AFTER INSERT ON tickets FOR EACH ROW
    INSERT INTO history (at, table_name, by_writer, after_it) VALUES (UTC_TIMESTAMP(6), 'tickets', USER() NOT LIKE 'root@%', JSON_OBJECT(
        'id', NEW.id, 'tenant_id', NEW.tenant_id, 'status', NEW.status, 'note', NEW.note, 'version', NEW.version, 'amount', NEW.amount));
CREATE TRIGGER tickets_updated AFTER UPDATE ON tickets FOR EACH ROW
    INSERT INTO history (at, table_name, by_writer, before_it, after_it) VALUES (UTC_TIMESTAMP(6), 'tickets', USER() NOT LIKE 'root@%', JSON_OBJECT(
        'id', OLD.id, 'tenant_id', OLD.tenant_id, 'status', OLD.status, 'note', OLD.note, 'version', OLD.version, 'amount', OLD.amount), JSON_OBJECT(
        'id', NEW.id, 'tenant_id', NEW.tenant_id, 'status', NEW.status, 'note', NEW.note, 'version', NEW.version, 'amount', NEW.amount));
CREATE TRIGGER tickets_deleted AFTER DELETE ON tickets FOR EACH ROW
    INSERT INTO history (at, table_name, by_writer, before_it) VALUES (UTC_TIMESTAMP(6), 'tickets', USER() NOT LIKE 'root@%', JSON_OBJECT(
        'id', OLD.id, 'tenant_id', OLD.tenant_id, 'status', OLD.status, 'note', OLD.note, 'version', OLD.version, 'amount', OLD.amount));
CREATE TRIGGER orders_updated AFTER UPDATE ON orders FOR EACH ROW
    INSERT INTO history (at, table_name, by_writer, before_it, after_it) VALUES (UTC_TIMESTAMP(6), 'orders', USER() NOT LIKE 'root@%', JSON_OBJECT(
        'id', OLD.id, 'tenant_id', OLD.tenant_id, 'status', OLD.status, 'note', OLD.note, 'version', OLD.version, 'amount', OLD.amount), JSON_OBJECT(
        'id', NEW.id, 'tenant_id', NEW.tenant_id, 'status', NEW.status, 'note', NEW.note, 'version', NEW.version, 'amount', NEW.amount));
CREATE TRIGGER credits_inserted AFTER INSERT ON credits FOR EACH ROW
    INSERT INTO history (at, table_name, by_writer, after_it) VALUES (UTC_TIMESTAMP(6), 'credits', USER() NOT LIKE 'root@%', JSON_OBJECT(
        'id', NEW.id, 'tenant_id', NEW.tenant_id, 'amount', NEW.amount, 'note', NEW.note));

-- What the ledger is told of deliveries.
CREATE TABLE marks (`key` varchar(1024) NOT NULL, proposal_id varchar(1024) NOT NULL, at datetime(6) NOT NULL) ENGINE = InnoDB;
