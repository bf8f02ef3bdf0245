// Which devices are plugged in, and the delegates of the assembly.
using System;
using System.Collections.Generic;

namespace Mcs.Usb
{
    public delegate void OnDeviceArrivalRemoval(CMcsUsbListEntryNet entry);
    public delegate void OnStg200xDataHandler(uint trigger);
    public delegate void OnStg200xErrorHandler();
#if GENERATION_5
    public delegate void OnStgPollStatus(uint status, StgStatusNet stgStatusNet, int[] index_list);
#else
    public delegate void OnStg200xPollStatus(uint status, int[] index_list);
#endif

    public class DeviceIdNet
    {
        public VendorIdEnumNet IdVendor;
        public ProductIdEnumNet IdProduct;
        public int BcdDevice;
        public McsBusTypeEnumNet BusType;

        public DeviceIdNet() { }

        public DeviceIdNet(DeviceIdNet deviceId)
            : this(deviceId.IdVendor, deviceId.IdProduct, deviceId.BcdDevice, deviceId.BusType) { }

        public DeviceIdNet(VendorIdEnumNet vendor, ProductIdEnumNet product, int bcd, McsBusTypeEnumNet bustype)
        {
            IdVendor = vendor;
            IdProduct = product;
            BcdDevice = bcd;
            BusType = bustype;
        }
    }

#if GENERATION_5
    public class CMcsUsbListEntryNet : IDisposable
    {
        internal CMcsUsbListEntryNet() { }

        public DeviceIdNet DeviceId { get; internal set; }
        public string DeviceName { get; internal set; }
        public string HwVersion { get; internal set; }
        public string Manufacturer { get; internal set; }
        public string Product { get; internal set; }
        public string SerialNumber { get; internal set; }

        public virtual void Dispose() { }
#else
    public class CMcsUsbListEntryNet
    {
        public CMcsUsbListEntryNet() { }

        public DeviceIdNet DeviceId { get; set; }
        public string DeviceName { get; set; }
        public string DevicePath { get; set; }
        public string HwVersion { get; set; }
        public string Manufacturer { get; set; }
        public string Product { get; set; }
        public string SerialNumber { get; set; }
#endif
        private string format = "%N (%S)";

        public void SetStringFormat(string format)
        {
            this.format = format;
        }

        public override string ToString()
        {
            return format.Replace("%N", DeviceName).Replace("%S", SerialNumber);
        }
    }

    public class CMcsUsbListNet : IDisposable
    {
        private readonly object guard = new object();
        private CMcsUsbListEntryNet[] entries = new CMcsUsbListEntryNet[0];
        private DeviceEnumNet kind;
        private bool isListening;

        public event OnDeviceArrivalRemoval DeviceArrival;
        public event OnDeviceArrivalRemoval DeviceRemoval;

#if GENERATION_5
        public CMcsUsbListNet(DeviceEnumNet McsUsbDevice)
        {
            Scan(McsUsbDevice);
        }
#else
        public CMcsUsbListNet() { }

        public CMcsUsbListNet(OnDeviceArrivalRemoval devArrival, OnDeviceArrivalRemoval devRemoval)
        {
            DeviceArrival += devArrival;
            DeviceRemoval += devRemoval;
        }

        public void Initialize(DeviceEnumNet McsUsbDevice)
        {
            Scan(McsUsbDevice);
        }
#endif
        public uint Count
        {
            get { return GetNumberOfDevices(); }
        }

        public uint GetNumberOfDevices()
        {
            lock (guard) return (uint)entries.Length;
        }

        public CMcsUsbListEntryNet GetUsbListEntry(uint index)
        {
            lock (guard) return index < entries.Length ? entries[index] : null;
        }

        public CMcsUsbListEntryNet[] GetUsbListEntries()
        {
            lock (guard) return (CMcsUsbListEntryNet[])entries.Clone();
        }

        public virtual void Dispose()
        {
            SimBench.Arrived -= OnArrived;
            SimBench.Left -= OnLeft;
        }

        private void Scan(DeviceEnumNet kind)
        {
            this.kind = kind;
            Read();
            if (isListening) return;
            isListening = true;
            SimBench.Arrived += OnArrived;
            SimBench.Left += OnLeft;
        }

        private void Read()
        {
            var found = new List<CMcsUsbListEntryNet>();
            if (kind <= DeviceEnumNet.MCS_STG_DEVICE)
                foreach (SimDevice device in SimBench.Devices())
                    if (device.IsPlugged) found.Add(device.Entry());
            lock (guard) entries = found.ToArray();
        }

        private void OnArrived(SimDevice device)
        {
            Read();
            OnDeviceArrivalRemoval told = DeviceArrival;
            if (told != null) told(device.Entry());
        }

        private void OnLeft(SimDevice device)
        {
            Read();
            OnDeviceArrivalRemoval told = DeviceRemoval;
            if (told != null) told(device.Entry());
        }
    }
}
