from django.db import migrations, models

from backoffice.crypto import CannotOpen
from orders.contacts import index_of


def find_by_email(apps, schema_editor):
    """Give the contacts that are known already the index by which an e-mail address finds them."""
    for name in ('Order', 'PurchaseOrder'):
        rows = apps.get_model('orders', name).objects.using(schema_editor.connection.alias)
        for row in rows.filter(contact__isnull=False).only('external_id', 'contact').iterator(chunk_size=500):
            try:
                index = index_of(row.contact)
            except CannotOpen:
                continue  # its key is gone; nobody can read it, so nobody needs to find it
            if index:
                rows.filter(pk=row.pk).update(email_index=index)


class Migration(migrations.Migration):

    dependencies = [
        ('marketplaces', '0006_search'),
        ('orders', '0008_topup_stock'),
    ]

    operations = [
        migrations.AddField(
            model_name='order',
            name='email_index',
            field=models.BinaryField(max_length=32, null=True),
        ),
        migrations.AddField(
            model_name='purchaseorder',
            name='email_index',
            field=models.BinaryField(max_length=32, null=True),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(condition=models.Q(('email_index__isnull', False)), fields=['email_index'], name='order_by_email'),
        ),
        migrations.AddIndex(
            model_name='purchaseorder',
            index=models.Index(condition=models.Q(('email_index__isnull', False)), fields=['email_index'], name='purchase_order_by_email'),
        ),
        migrations.RunPython(find_by_email, migrations.RunPython.noop, elidable=True),
    ]
